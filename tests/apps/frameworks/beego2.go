//go:build !beego1

package main

import (
	"net/http"

	"github.com/beego/beego/v2/server/web"
	"github.com/beego/beego/v2/server/web/context"
)

func init() { frameworks["beego"] = func() string { return serve(newBeego()) } }

// petController has a method for each method of HTTP.
type petController struct{ web.Controller }

func (c *petController) Get() { traced(c.Ctx.ResponseWriter) }

func newBeego() http.Handler {
	router := web.NewControllerRegister()
	found := func(c *context.Context) { traced(c.ResponseWriter) }
	router.Get("/pets", found)
	router.Add("/pets/:id", &petController{})
	router.Get("/files/*", found)
	router.Post("/api/:version/shops/:shop/orders/:order", found)
	return router
}
