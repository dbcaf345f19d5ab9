module example.com/bench_server

go 1.21
