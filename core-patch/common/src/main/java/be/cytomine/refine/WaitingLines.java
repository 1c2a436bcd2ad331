package be.cytomine.refine;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/**
 * The line of refines and that of searches, which take longer: neither keeps the other waiting.
 *
 * <p>Environment: {@code REFINE_MAX_AT_ONCE}, {@code REFINE_MOST_WAITING}, {@code REFINE_PROPOSE_MAX_AT_ONCE}, {@code
 * REFINE_PROPOSE_MOST_WAITING}, and {@code REFINE_WAIT_MS} for both.
 */
@Configuration
class WaitingLines {

    @Bean("refineLine")
    WaitingLine refines(
            @Value("${REFINE_MAX_AT_ONCE:6}") int mostAtOnce,
            @Value("${REFINE_MOST_WAITING:24}") int mostWaiting,
            @Value("${REFINE_WAIT_MS:20000}") long longestWaitMs) {
        return new WaitingLine("refines", mostAtOnce, mostWaiting, longestWaitMs);
    }

    @Bean("proposeLine")
    WaitingLine searches(
            @Value("${REFINE_PROPOSE_MAX_AT_ONCE:4}") int mostAtOnce,
            @Value("${REFINE_PROPOSE_MOST_WAITING:8}") int mostWaiting,
            @Value("${REFINE_WAIT_MS:20000}") long longestWaitMs) {
        return new WaitingLine("searches", mostAtOnce, mostWaiting, longestWaitMs);
    }
}
