module example.com/connect

go 1.21

require (
	connectrpc.com/connect v1.11.0
	google.golang.org/protobuf v1.31.0
)
