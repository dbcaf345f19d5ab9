package main

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/baggage"
)

// set sets baggage in a context:
//
//	nothing   none of its own
//	more      what is there, and a member
//	other     a member instead
//	none      that there is none
//	all       members of every kind
//	forbidden members that may not be sent, and one that may
//	long      more than is passed on
//	merged    a member that the context's own method tells
func set(ctx context.Context, what string) context.Context {
	switch what {
	case "more":
		bag, err := baggage.FromContext(ctx).SetMember(member("own", "1"))
		check(err)
		return baggage.ContextWithBaggage(ctx, bag)
	case "other":
		return with(ctx, member("own", "1"))
	case "none":
		return baggage.ContextWithoutBaggage(ctx)
	case "all":
		return with(ctx, all()...)
	case "forbidden":
		return with(ctx, forbidden()...)
	case "merged":
		return merged{ctx, with(context.Background(), member("own", "1"))}
	case "long":
		return with(ctx, member("own", "1"), member("long", strings.Repeat("x", 1_024)))
	}
	return ctx
}

// merged is a context that looks for values elsewhere as well.
type merged struct {
	context.Context
	values context.Context
}

func (m merged) Value(key any) any {
	if value := m.values.Value(key); value != nil {
		return value
	}
	return m.Context.Value(key)
}

func with(ctx context.Context, members ...baggage.Member) context.Context {
	bag, err := baggage.New(members...)
	check(err)
	return baggage.ContextWithBaggage(ctx, bag)
}

func member(key, value string, properties ...baggage.Property) baggage.Member {
	member, err := baggage.NewMemberRaw(key, value, properties...)
	check(err)
	return member
}

// all has more members than a group of a map has slots, of which some have properties, and values of which some bytes are encoded.
func all() []baggage.Member {
	alone, err := baggage.NewKeyProperty("alone")
	check(err)
	full, err := baggage.NewKeyValuePropertyRaw("full", "a value, \"quoted\"; 100%")
	check(err)
	empty, err := baggage.NewKeyValuePropertyRaw("empty", "")
	check(err)
	members := []baggage.Member{
		member("empty", ""),
		member("!#$%&'*+-.^_`|~09azAZ", "odd"),
		member("encoded", " \t,;\\\"%/=é日\x7f"),
		member("one", "1", alone),
		member("three", "3", alone, full, empty),
	}
	for key := 'a'; key <= 'p'; key++ {
		members = append(members, member(string(key), strings.Repeat(string(key), int(key-'a'))))
	}
	return members
}
