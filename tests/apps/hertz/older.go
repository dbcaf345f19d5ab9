//go:build !newest

package main

import "github.com/cloudwego/hertz/pkg/app/server"

func routeNewer(*server.Hertz) {}
