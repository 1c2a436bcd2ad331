# Core with the addition, and PIMS: the embedded Cytomine, in the image of the service for its Python.
FROM localhost/refine-deploy:service
USER 0
COPY demo /standin/demo
COPY slides /standin/slides
COPY standin.py /standin/standin.py
ENV PYTHONPATH=/standin
WORKDIR /standin
HEALTHCHECK NONE
ENTRYPOINT ["python", "standin.py"]
