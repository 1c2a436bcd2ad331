package be.cytomine.refine;

import be.cytomine.utils.JsonObject;
import jakarta.servlet.http.HttpServletRequest;
import java.io.IOException;
import java.lang.reflect.Method;
import java.util.List;
import java.util.regex.Pattern;
import org.springframework.beans.factory.SmartInitializingSingleton;
import org.springframework.beans.factory.annotation.Qualifier;
import org.springframework.http.MediaType;
import org.springframework.http.ResponseEntity;
import org.springframework.stereotype.Component;
import org.springframework.util.ReflectionUtils;
import org.springframework.web.HttpMediaTypeNotSupportedException;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.RequestMethod;
import org.springframework.web.servlet.mvc.method.RequestMappingInfo;
import org.springframework.web.servlet.mvc.method.annotation.RequestMappingHandlerMapping;

/**
 * Takes {@code POST /api/annotations/{id}/refine} away from the stock method, which asks for no right, checks no
 * outline, keeps no undo and waits for ever. No path is compared: the stock method loses its place in Spring's own
 * table before the server opens, so no spelling of a path, and no forward, leads to it any more.
 */
@Component
class StockRoute implements SmartInitializingSingleton {

    private static final String PATH = "/api/annotations/{id}/refine";
    private static final Pattern STOCK = Pattern.compile("/api/annotations/\\{[^/]+}/refine(\\.json)?/?");

    private final Refiner refiner;
    private final RequestMappingHandlerMapping routes;

    StockRoute(Refiner refiner, @Qualifier("requestMappingHandlerMapping") RequestMappingHandlerMapping routes) {
        this.refiner = refiner;
        this.routes = routes;
    }

    @Override
    public void afterSingletonsInstantiated() {
        List.copyOf(routes.getHandlerMethods().keySet()).stream()
                .filter(StockRoute::isStock)
                .forEach(routes::unregisterMapping);
        RequestMappingInfo ours = RequestMappingInfo.paths(PATH)
                .methods(RequestMethod.POST)
                .options(routes.getBuilderConfiguration())
                .build();
        Method method =
                ReflectionUtils.findMethod(StockRoute.class, "refine", String.class, HttpServletRequest.class);
        routes.registerMapping(ours, this, method);
    }

    private static boolean isStock(RequestMappingInfo route) {
        return route.getPatternValues().stream().anyMatch(path -> STOCK.matcher(path).matches());
    }

    /**
     * Refines an annotation and answers as the stock method does.
     *
     * @return the annotation as a GET would give it, with {@code command} and {@code refinement} beside
     */
    ResponseEntity<String> refine(@PathVariable String id, HttpServletRequest request)
            throws HttpMediaTypeNotSupportedException, IOException {
        Refiner.Refined refined = refiner.refine(id, request);
        JsonObject answer = refined.annotation();
        answer.put("command", refined.refinement().get("command"));
        answer.put("refinement", refined.refinement().all());
        return ResponseEntity.ok().contentType(MediaType.APPLICATION_JSON).body(answer.toJsonString());
    }
}
