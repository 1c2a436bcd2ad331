package be.cytomine.domain.security;

import be.cytomine.domain.CytomineDomain;
import jakarta.persistence.Entity;

/** Stands for Core's user. */
@Entity
public class SecUser extends CytomineDomain {

    private String username;
    private boolean superAdmin;

    protected SecUser() {}

    public SecUser(String username, boolean superAdmin) {
        this.username = username;
        this.superAdmin = superAdmin;
    }

    public String getUsername() {
        return username;
    }

    public boolean isSuperAdmin() {
        return superAdmin;
    }
}
