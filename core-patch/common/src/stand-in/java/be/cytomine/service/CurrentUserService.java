package be.cytomine.service;

import be.cytomine.domain.security.SecUser;
import jakarta.persistence.EntityManager;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.stereotype.Service;

/** Stands for Core's way to the user who asks. */
@Service
public class CurrentUserService {

    private final EntityManager entityManager;

    public CurrentUserService(EntityManager entityManager) {
        this.entityManager = entityManager;
    }

    public SecUser getCurrentUser() {
        return entityManager
                .createQuery("from SecUser where username = :name", SecUser.class)
                .setParameter("name", SecurityContextHolder.getContext().getAuthentication().getName())
                .getSingleResult();
    }
}
