package be.cytomine.refine;

import be.cytomine.domain.ontology.AnnotationDomain;
import be.cytomine.utils.JsonObject;
import jakarta.persistence.EntityManager;
import org.springframework.stereotype.Component;

/** Annotations as a GET of this generation of Core gives them. */
@Component
class AnnotationJson {

    private final EntityManager entityManager;

    AnnotationJson(EntityManager entityManager) {
        this.entityManager = entityManager;
    }

    /** Reads an annotation anew. */
    JsonObject of(Long id) {
        return AnnotationDomain.getAnnotationDomain(entityManager, id).toJsonObject();
    }
}
