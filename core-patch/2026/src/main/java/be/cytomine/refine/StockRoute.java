package be.cytomine.refine;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.springframework.stereotype.Component;
import org.springframework.web.filter.OncePerRequestFilter;

/**
 * Leads {@code POST /api/annotations/{id}/refine} to {@link RefineController}, past the stock method, which asks for no
 * right, checks no outline, keeps no undo and waits for ever. It runs after Core's own filters, so the caller is known.
 */
@Component
class StockRoute extends OncePerRequestFilter {

    private static final Pattern ROUTE = Pattern.compile("/api/annotations/(\\d+)/refine/?");

    @Override
    protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws ServletException, IOException {
        Matcher route = ROUTE.matcher(request.getServletPath());
        if (request.getMethod().equals("POST") && route.matches()) {
            request.getRequestDispatcher("/api/annotation/" + route.group(1) + "/refined").forward(request, response);
        } else {
            chain.doFilter(request, response);
        }
    }
}
