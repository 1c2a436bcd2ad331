package be.cytomine.domain.ontology;

import be.cytomine.domain.CytomineDomain;
import be.cytomine.domain.project.Project;
import be.cytomine.exceptions.ObjectNotFoundException;
import be.cytomine.service.UrlApi;
import be.cytomine.utils.JsonObject;
import jakarta.persistence.Entity;
import jakarta.persistence.Inheritance;
import jakarta.persistence.InheritanceType;
import jakarta.persistence.ManyToOne;

/** Stands for Core's base of annotations. */
@Entity
@Inheritance(strategy = InheritanceType.TABLE_PER_CLASS)
public abstract class AnnotationDomain extends CytomineDomain {

    @ManyToOne
    protected Project project;

    protected String wkt;

    /** Finds an annotation of any kind; asks for no right. */
    public static AnnotationDomain getAnnotationDomain(jakarta.persistence.EntityManager entityManager, Long id) {
        AnnotationDomain found = entityManager.find(AnnotationDomain.class, id);
        if (found == null) {
            throw new ObjectNotFoundException("Annotation " + id + " not found");
        }
        return found;
    }

    public CytomineDomain container() {
        return project;
    }

    /** The form of 2025.1. */
    public JsonObject toJsonObject() {
        return JsonObject.of("id", id, "location", wkt);
    }

    /** The form of 2026. */
    public JsonObject toJsonObject(UrlApi urlApi) {
        JsonObject made = toJsonObject();
        made.put("url", urlApi.annotation(id));
        return made;
    }
}
