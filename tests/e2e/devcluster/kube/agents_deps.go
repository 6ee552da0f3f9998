package main

import (
	_ "k8s.io/api/networking/v1"
	_ "k8s.io/apimachinery/pkg/labels"
	_ "k8s.io/client-go/informers"
	_ "k8s.io/client-go/kubernetes"
	_ "k8s.io/client-go/tools/clientcmd"
)
