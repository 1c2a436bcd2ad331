# nginx as Cytomine's image has it: templates, filled from the environment when it starts.
FROM localhost/refine-deploy:base
ENV RESOLVER=127.0.0.11 \
    URLS_INTERNAL_PROXY=nginx \
    URLS_SCHEME=http \
    INTERNAL_URLS_CORE=core:8080 \
    INTERNAL_URLS_IMS=pims:5000
COPY nginx.conf.sample /cm_configs_default/etc/nginx/nginx.conf.sample
COPY nginx-entrypoint.sh /nginx-entrypoint.sh
ENTRYPOINT ["sh", "/nginx-entrypoint.sh"]
CMD ["nginx", "-g", "daemon off; error_log stderr;"]
