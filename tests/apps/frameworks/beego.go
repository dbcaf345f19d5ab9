//go:build beego1

package main

import (
	"net/http"

	"github.com/astaxie/beego"
	"github.com/astaxie/beego/context"
)

// Both versions define the same flag: a program has one of them.
func init() { frameworks["beego"] = func() string { return serve(newBeego()) } }

// petController has a method for each method of HTTP.
type petController struct{ beego.Controller }

func (c *petController) Get() { traced(c.Ctx.ResponseWriter) }

func newBeego() http.Handler {
	router := beego.NewControllerRegister()
	found := func(c *context.Context) { traced(c.ResponseWriter) }
	router.Get("/pets", found)
	router.Add("/pets/:id", &petController{})
	router.Get("/files/*", found)
	router.Post("/api/:version/shops/:shop/orders/:order", found)
	return router
}
