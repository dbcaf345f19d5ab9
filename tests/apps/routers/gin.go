package main

import (
	"io"
	"net/http"

	"github.com/gin-gonic/gin"
)

func newGin() http.Handler {
	gin.SetMode(gin.ReleaseMode)
	router := gin.New()
	router.HandleMethodNotAllowed = true
	router.Use(gin.RecoveryWithWriter(io.Discard), func(c *gin.Context) {
		c.Request = c.Request.WithContext(c.Request.Context())
		c.Next()
	})
	found := func(c *gin.Context) { handle(c.Writer, c.Request) }
	router.GET("/pets", found)
	router.GET("/pets/:id", found)
	router.GET("/files/*path", found)
	router.GET("/panic/:id", func(*gin.Context) { panic("as asked") })
	api := router.Group("/api/:version")
	api.Group("/shops").POST("/:shop/orders/:order", found)
	router.GET("/again/:id", func(c *gin.Context) {
		c.Request.URL.Path = "/pets/" + c.Param("id")
		router.HandleContext(c)
	})
	return router
}
