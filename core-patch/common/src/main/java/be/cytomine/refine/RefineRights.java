package be.cytomine.refine;

import static org.springframework.security.acls.domain.BasePermission.READ;

import be.cytomine.domain.image.ImageInstance;
import be.cytomine.domain.ontology.AnnotationDomain;
import be.cytomine.domain.ontology.UserAnnotation;
import be.cytomine.exceptions.ObjectNotFoundException;
import be.cytomine.exceptions.WrongArgumentException;
import be.cytomine.service.CurrentUserService;
import be.cytomine.service.security.SecurityACLService;
import jakarta.persistence.EntityManager;
import org.springframework.stereotype.Component;

/** Who may have what: refines whoever may edit the annotation, proposals whoever may see the image, by Core's own checks. */
@Component
class RefineRights {

    private final EntityManager entityManager;
    private final CurrentUserService currentUserService;
    private final SecurityACLService securityACLService;

    RefineRights(
            EntityManager entityManager, CurrentUserService currentUserService, SecurityACLService securityACLService) {
        this.entityManager = entityManager;
        this.currentUserService = currentUserService;
        this.securityACLService = securityACLService;
    }

    /**
     * Finds an annotation that the caller may edit.
     *
     * @throws ObjectNotFoundException                        there is none (404)
     * @throws be.cytomine.exceptions.ForbiddenException      the caller may not edit it (403)
     * @throws WrongArgumentException                         it is no user annotation (400)
     */
    UserAnnotation editable(Long id) {
        AnnotationDomain annotation = AnnotationDomain.getAnnotationDomain(entityManager, id);
        securityACLService.checkGuest(currentUserService.getCurrentUser());
        securityACLService.check(annotation.container(), READ, currentUserService.getCurrentUser());
        if (!(annotation instanceof UserAnnotation userAnnotation)) {
            throw new WrongArgumentException("Only user annotations can be refined");
        }
        securityACLService.checkFullOrRestrictedForOwner(userAnnotation, userAnnotation.getUser());
        return userAnnotation;
    }

    /**
     * Requires that the caller may see an image, as a GET of it does.
     *
     * @throws ObjectNotFoundException                   there is none (404)
     * @throws be.cytomine.exceptions.ForbiddenException the caller may not see it (403)
     */
    void requireReadable(Long id) {
        ImageInstance image = entityManager.find(ImageInstance.class, id);
        if (image == null) {
            throw new ObjectNotFoundException("ImageInstance " + id + " not found");
        }
        securityACLService.check(image.container(), READ, currentUserService.getCurrentUser());
    }
}
