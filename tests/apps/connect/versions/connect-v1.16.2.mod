module example.com/connect

go 1.21

require (
	connectrpc.com/connect v1.16.2
	google.golang.org/protobuf v1.33.0
)
