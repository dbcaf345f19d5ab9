module example.test/arm64

go 1.22
