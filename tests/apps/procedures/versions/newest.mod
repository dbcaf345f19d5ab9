module example.com/procedures

go 1.21

require (
	github.com/twitchtv/twirp v8.1.3+incompatible
	storj.io/drpc v1.0.0
)

require (
	github.com/pkg/errors v0.9.1 // indirect
	github.com/zeebo/errs v1.2.2 // indirect
	google.golang.org/protobuf v1.27.1 // indirect
)
