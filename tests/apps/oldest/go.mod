module example.com/oldest

go 1.18
