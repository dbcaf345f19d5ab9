FROM scratch
COPY collector /collector
ENTRYPOINT ["/collector"]
