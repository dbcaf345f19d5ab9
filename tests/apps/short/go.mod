module example.test/short

go 1.21
