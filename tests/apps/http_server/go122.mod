// For Go 1.22 and newer: with `go 1.21` they would use the old ServeMux (GODEBUG httpmuxgo121).
module example.com/http_server

go 1.22
