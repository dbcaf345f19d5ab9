// big links much: a program of 50 MB without symbols, 70 MB with them, for the benchmark. It does nothing.
package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/gin-gonic/gin"
	"google.golang.org/grpc"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

func main() {
	if len(os.Args) == 1 {
		return
	}
	config := &rest.Config{Host: os.Args[1]}
	fmt.Println(kubernetes.NewForConfig(config))
	client, err := dynamic.NewForConfig(config)
	fmt.Println(client, err)
	factory := informers.NewSharedInformerFactory(kubernetes.NewForConfigOrDie(config), 0)
	fmt.Println(factory, appsv1.Deployment{})
	engine := gin.New()
	server := grpc.NewServer()
	fmt.Println(http.ListenAndServe(os.Args[1], engine), server.GetServiceInfo())
}
