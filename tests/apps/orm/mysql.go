//go:build mysql

package main

import (
	_ "github.com/go-sql-driver/mysql"
	"gorm.io/driver/mysql"
	"gorm.io/gorm"
)

const driverName = "mysql"

func dialector(dsn string) gorm.Dialector { return mysql.Open(dsn) }
