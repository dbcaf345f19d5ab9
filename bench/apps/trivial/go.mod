module example.test/trivial

go 1.21
