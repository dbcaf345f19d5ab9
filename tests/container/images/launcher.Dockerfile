FROM scratch
COPY go-auto-launch /go-auto-launch
ENTRYPOINT ["/go-auto-launch"]
