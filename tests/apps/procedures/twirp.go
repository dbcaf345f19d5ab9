package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/twitchtv/twirp"
	"github.com/twitchtv/twirp/example"
)

// hats makes hats of the colour that is to be said; it gets that by the other way, since the message has only a number.
type hats struct{}

type said struct{}

func (hats) MakeHat(ctx context.Context, _ *example.Size) (*example.Hat, error) {
	say, _ := ctx.Value(said{}).(string)
	code, hasCode := strings.CutPrefix(say, "code ")
	switch {
	case hasCode:
		return nil, twirp.NewError(twirp.ErrorCode(code), "as was asked")
	case say == "other":
		return nil, errors.New("as was asked")
	case say == "handled":
		_ = twirp.NewError(twirp.NotFound, "that is nobody's")
	case say == "late":
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &example.Hat{Color: "red"}, nil
}

// serveTwirp serves, and gives out how to call that.
func serveTwirp() func(context.Context, string) error {
	hooks := &twirp.ServerHooks{RequestRouted: func(ctx context.Context) (context.Context, error) {
		return context.WithValue(ctx, twirp.ErrorCode("a hook's"), 1), nil
	}}
	listener := listen()
	service := example.NewHaberdasherServer(hats{}, hooks)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), said{}, r.Header.Get("Say"))))
	}))
	address := "http://" + listener.Addr().String()
	return func(ctx context.Context, say string) error {
		switch say {
		case "unknown":
			return post(ctx, address+"/twirp/twitch.twirp.example.Haberdasher/Anything")
		case "named as its service":
			return post(ctx, address+"/twirp/anything/Haberdasher")
		}
		client := example.NewHaberdasherProtobufClient(address, &http.Client{})
		ctx, err := twirp.WithHTTPRequestHeaders(ctx, http.Header{"Say": {say}})
		if err != nil {
			return err
		}
		_, err = client.MakeHat(ctx, &example.Size{Inches: 1})
		return err
	}
}

// post calls a method that there is not.
func post(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(nil))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}
