module example.com/grpc

go 1.22

require (
	google.golang.org/grpc v1.69.0
	google.golang.org/protobuf v1.35.1
)

require (
	github.com/golang/protobuf v1.5.4 // indirect
	golang.org/x/net v0.30.0 // indirect
	golang.org/x/sys v0.26.0 // indirect
	golang.org/x/text v0.19.0 // indirect
	google.golang.org/genproto v0.0.0-20200526211855-cb27e3aa2013 // indirect
)
