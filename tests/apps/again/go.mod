module example.test/again

go 1.21
