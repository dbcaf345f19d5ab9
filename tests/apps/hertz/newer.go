//go:build newest

package main

import (
	"context"

	"github.com/cloudwego/hertz/pkg/app"
	"github.com/cloudwego/hertz/pkg/app/server"
	"github.com/cloudwego/hertz/pkg/protocol/http1/resp"
)

// routeNewer routes what older versions do not have: a handler that writes its answer piece by piece.
func routeNewer(h *server.Hertz) {
	h.GET("/chunks", func(_ context.Context, c *app.RequestContext) {
		c.Response.HijackWriter(resp.NewChunkedBodyWriter(&c.Response, c.GetWriter()))
		for _, chunk := range []string{"one", "two"} {
			_, err := c.Write([]byte(chunk))
			check(err)
			check(c.Flush())
		}
	})
}
