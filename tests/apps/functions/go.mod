module example.test/functions

go 1.21
