package be.cytomine.service.security;

import be.cytomine.domain.CytomineDomain;
import be.cytomine.domain.ontology.AnnotationDomain;
import be.cytomine.domain.project.Project;
import be.cytomine.domain.security.SecUser;
import be.cytomine.exceptions.ForbiddenException;
import be.cytomine.service.CurrentUserService;
import org.springframework.security.acls.domain.BasePermission;
import org.springframework.security.acls.model.Permission;
import org.springframework.stereotype.Service;

/** Stands for Core's checks: members, managers, modes and super administrators. */
@Service
public class SecurityACLService {

    private final CurrentUserService currentUserService;

    public SecurityACLService(CurrentUserService currentUserService) {
        this.currentUserService = currentUserService;
    }

    public void checkGuest(SecUser user) {
        if (user == null) {
            throw new ForbiddenException("You don't have the right to do this. Role guest is needed");
        }
    }

    public void check(CytomineDomain container, Permission permission, SecUser user) {
        if (!user.isSuperAdmin() && ((Project) container).maskOf(user.getUsername()) < permission.getMask()) {
            throw new ForbiddenException("You don't have the right to read or modify this resource!");
        }
    }

    public void checkFullOrRestrictedForOwner(CytomineDomain domain, SecUser owner) {
        Project project = (Project) ((AnnotationDomain) domain).container();
        SecUser user = currentUserService.getCurrentUser();
        boolean manages = project.maskOf(user.getUsername()) >= BasePermission.ADMINISTRATION.getMask();
        boolean mayEdit = switch (project.getMode()) {
            case CLASSIC -> true;
            case RESTRICTED -> owner.getId().equals(user.getId());
            case READ_ONLY -> false;
        };
        if (!manages && !user.isSuperAdmin() && !mayEdit) {
            throw new ForbiddenException("You don't have the right to do this.");
        }
    }
}
