module example.test/many_open

go 1.24
