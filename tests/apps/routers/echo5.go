//go:build newest

package main

import (
	"net/http"

	"github.com/labstack/echo/v5"
)

func newEcho5() http.Handler {
	router := echo.New()
	router.Use(echo.WrapMiddleware(replaced))
	found := echo.WrapHandler(http.HandlerFunc(handle))
	router.GET("/pets", found)
	router.GET("/pets/:id", found)
	router.GET("/files/*", found)
	api := router.Group("/api/:version")
	api.Group("/shops").POST("/:shop/orders/:order", found)
	return router
}

func init() { routers["echo5"] = newEcho5 }
