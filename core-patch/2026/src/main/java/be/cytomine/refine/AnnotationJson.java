package be.cytomine.refine;

import be.cytomine.domain.ontology.AnnotationDomain;
import be.cytomine.service.UrlApi;
import be.cytomine.utils.JsonObject;
import jakarta.persistence.EntityManager;
import org.springframework.stereotype.Component;

/** Annotations as a GET of this generation of Core gives them. */
@Component
class AnnotationJson {

    private final EntityManager entityManager;
    private final UrlApi urlApi;

    AnnotationJson(EntityManager entityManager, UrlApi urlApi) {
        this.entityManager = entityManager;
        this.urlApi = urlApi;
    }

    /** Reads an annotation anew. */
    JsonObject of(Long id) {
        return AnnotationDomain.getAnnotationDomain(entityManager, id).toJsonObject(urlApi);
    }
}
