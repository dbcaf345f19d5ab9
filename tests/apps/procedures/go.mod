module example.com/procedures

go 1.21

require (
	github.com/twitchtv/twirp v5.12.1+incompatible
	storj.io/drpc v0.0.20
)

require (
	github.com/golang/protobuf v1.4.1 // indirect
	github.com/pkg/errors v0.9.1 // indirect
	github.com/spacemonkeygo/monkit/v3 v3.0.7 // indirect
	github.com/zeebo/errs v1.2.2 // indirect
	google.golang.org/protobuf v1.25.0 // indirect
)
