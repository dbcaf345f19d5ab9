// orm serves HTTP on an address that it prints ("listening <address>"), with handlers that use a database by gorm and by sqlx, and
// exits on SIGTERM. The build tag pgx5 or mysql says with which driver:
//
//	orm DSN
//
// Each answer says what came of it: "ok …" or "error …".
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/jmoiron/sqlx"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/sdk/trace"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// Order is a row of the table orders.
type Order struct {
	ID   int    `db:"id"`
	Name string `db:"name"`
}

// exporter takes spans, and does nothing with them: of a provider without any, nobody would see one.
type exporter struct{}

func (exporter) ExportSpans(context.Context, []trace.ReadOnlySpan) error { return nil }
func (exporter) Shutdown(context.Context) error                          { return nil }

func main() {
	orm, err := gorm.Open(dialector(os.Args[1]), &gorm.Config{Logger: logger.Discard})
	check(err)
	db, err := sqlx.Open(driverName, os.Args[1])
	check(err)
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(exporter{})))
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	mux := http.NewServeMux()
	add := func(path string, handle func(context.Context) (string, error)) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if said, err := handle(r.Context()); err != nil {
				fmt.Fprintf(w, "error %T %s", err, err)
			} else {
				fmt.Fprint(w, "ok ", said)
			}
		})
	}
	addGorm(add, orm)
	addSqlx(add, db)
	add("/in-span", func(ctx context.Context) (string, error) {
		ctx, span := otel.Tracer("orm").Start(ctx, "by the SDK")
		defer span.End()
		_, err := db.ExecContext(ctx, "SELECT 1")
		return span.SpanContext().SpanID().String(), err
	})
	go http.Serve(listener, mux)
	fmt.Println("listening", listener.Addr())
	<-stop
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

type adder func(path string, handle func(context.Context) (string, error))

func addGorm(add adder, orm *gorm.DB) {
	add("/setup", func(ctx context.Context) (string, error) {
		migrator := orm.WithContext(ctx).Migrator()
		return "", errors.Join(migrator.DropTable(&Order{}), migrator.CreateTable(&Order{}))
	})
	add("/gorm-create", func(ctx context.Context) (string, error) {
		return "", orm.WithContext(ctx).Create(&Order{ID: 1, Name: "secret"}).Error
	})
	add("/gorm-find", func(ctx context.Context) (string, error) {
		var orders []Order
		err := orm.WithContext(ctx).Where("name = ?", "secret").Find(&orders).Error
		return fmt.Sprint(len(orders)), err
	})
	add("/gorm-first", func(ctx context.Context) (string, error) {
		var order Order
		return order.Name, orm.WithContext(ctx).First(&order, 1).Error
	})
	add("/gorm-none", func(ctx context.Context) (string, error) {
		var order Order
		return order.Name, orm.WithContext(ctx).First(&order, 99).Error
	})
	add("/gorm-update", func(ctx context.Context) (string, error) {
		return "", orm.WithContext(ctx).Model(&Order{ID: 1}).Update("name", "other").Error
	})
	add("/gorm-transaction", func(ctx context.Context) (string, error) {
		return "", orm.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
			return tx.Model(&Order{ID: 1}).Update("name", "within").Error
		})
	})
	add("/gorm-duplicate", func(ctx context.Context) (string, error) {
		return "", orm.WithContext(ctx).Create(&Order{ID: 1, Name: "again"}).Error
	})
}

func addSqlx(add adder, db *sqlx.DB) {
	add("/sqlx-select", func(ctx context.Context) (string, error) {
		var orders []Order
		err := db.SelectContext(ctx, &orders, db.Rebind("SELECT id, name FROM orders WHERE id >= ?"), 1)
		return fmt.Sprint(len(orders)), err
	})
	add("/sqlx-get", func(ctx context.Context) (string, error) {
		var order Order
		return order.Name, db.GetContext(ctx, &order, db.Rebind("SELECT id, name FROM orders WHERE id = ?"), 1)
	})
	add("/sqlx-named", func(ctx context.Context) (string, error) {
		_, err := db.NamedExecContext(ctx, "UPDATE orders SET name = :name WHERE id = :id", Order{ID: 1, Name: "named"})
		return "", err
	})
	add("/sqlx-in", func(ctx context.Context) (string, error) {
		text, args, err := sqlx.In("SELECT id, name FROM orders WHERE id IN (?)", []int{1, 2, 3})
		if err != nil {
			return "", err
		}
		var orders []Order
		err = db.SelectContext(ctx, &orders, db.Rebind(text), args...)
		return fmt.Sprint(len(orders)), err
	})
	add("/sqlx-transaction", func(ctx context.Context) (string, error) {
		tx, err := db.BeginTxx(ctx, nil)
		if err != nil {
			return "", err
		}
		defer tx.Rollback()
		tx.MustExecContext(ctx, tx.Rebind("UPDATE orders SET name = ? WHERE id = ?"), "within", 1)
		return "", tx.Commit()
	})
}
