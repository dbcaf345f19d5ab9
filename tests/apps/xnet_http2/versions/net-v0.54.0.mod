module example.com/xnet_http2

go 1.25.0

require golang.org/x/net v0.54.0

require golang.org/x/text v0.37.0 // indirect
