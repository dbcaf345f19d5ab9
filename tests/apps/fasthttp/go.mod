module example.com/fasthttp

go 1.21

require github.com/valyala/fasthttp v1.34.0

require (
	github.com/andybalholm/brotli v1.0.4 // indirect
	github.com/klauspost/compress v1.15.0 // indirect
	github.com/valyala/bytebufferpool v1.0.0 // indirect
)
