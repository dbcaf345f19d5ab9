module example.test/long_paths

go 1.21
