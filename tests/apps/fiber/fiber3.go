//go:build newest

package main

import (
	"errors"
	"net"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/recover"
)

func init() { servers["fiber3"] = serve3 }

func serve3(listener net.Listener) error {
	app := fiber.New()
	app.Use(recover.New())
	app.Use(func(c fiber.Ctx) error { return c.Next() })
	app.Use("/admin", func(c fiber.Ctx) error { return c.SendStatus(403) })
	found := func(c fiber.Ctx) error { return c.SendString("found") }
	app.Get("/pets", found)
	app.Get("/pets/:id", found)
	app.Get("/files/*", found)
	app.Get("/two/:a", func(c fiber.Ctx) error { return c.Next() }, found)
	app.Get("/on/:a", func(c fiber.Ctx) error { return c.Next() })
	app.Get("/on/:b", found)
	api := app.Group("/api/:version", func(c fiber.Ctx) error { return c.Next() })
	api.Post("/shops/:shop/orders/:order", func(c fiber.Ctx) error { return c.Send(c.Body()) })
	mounted := fiber.New()
	mounted.Get("/q/:z", found)
	app.Use("/mnt", mounted)
	app.Get("/fail/:how", func(c fiber.Ctx) error { return errors.New("as was asked") })
	app.Get("/teapot", func(c fiber.Ctx) error { return fiber.NewError(418, "as was asked") })
	app.Get("/panic/:id", func(c fiber.Ctx) error { panic("as was asked") })
	app.Get("/said", func(c fiber.Ctx) error { return c.SendString(c.Get("traceparent")) })
	app.Get("/calls/:how", func(c fiber.Ctx) error { return c.SendString(get(c.Context(), listener.Addr().String())) })
	app.Get("/context", func(c fiber.Ctx) error { return c.SendString(get(c.RequestCtx(), listener.Addr().String())) })
	return app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true})
}
