module example.com/kubernetes

go 1.21
