package be.cytomine.refine;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;

/**
 * Passes the lines of an answer on, each at once. In silence a space goes out now and then: JSON has no use for it, so every
 * reader of lines overlooks it, no proxy takes the connection for dead, and a caller who went away is noticed.
 *
 * <p>An answer that breaks off, falls silent or has no end gets a last line that says so.
 */
class Proposals {

    private static final ObjectMapper JSON = new ObjectMapper();

    private final StreamedLines from;
    private final OutputStream to;
    private final Duration longestSilence;
    private final Duration beat;
    private byte[] last = StreamedLines.END;

    /**
     * @param longestSilence after so long without a line it is given up
     * @param beat           after so long a space goes out
     */
    Proposals(StreamedLines from, OutputStream to, Duration longestSilence, Duration beat) {
        this.from = from;
        this.to = to;
        this.longestSilence = longestSilence;
        this.beat = beat;
    }

    /**
     * Passes all lines on.
     *
     * @throws IOException the caller went away
     */
    void passOn() throws IOException {
        long heard = System.nanoTime();
        while (true) {
            byte[] lines;
            try {
                lines = from.take(beat);
            } catch (IOException broke) {
                end(RefineProblem.brokenOff());
                return;
            } catch (InterruptedException stopped) {
                Thread.currentThread().interrupt();
                end(RefineProblem.unfit("Core was interrupted while waiting for it."));
                return;
            }
            if (lines == StreamedLines.END) {
                endUnlessEnded();
                return;
            }
            if (lines == null && System.nanoTime() - heard > longestSilence.toNanos()) {
                end(RefineProblem.silent());
                return;
            }
            heard = lines == null ? heard : System.nanoTime();
            write(lines);
        }
    }

    private void write(byte[] lines) throws IOException {
        if (lines == null) {
            to.write(' ');
        } else {
            to.write(lines);
            last = lines;
        }
        to.flush();
    }

    private void endUnlessEnded() throws IOException {
        String[] lines = new String(last, StandardCharsets.UTF_8).strip().split("\n");
        byte[] end = lines[lines.length - 1].getBytes(StandardCharsets.UTF_8);
        if (!ServiceDoor.read(end).path("done").isBoolean()) {
            end(RefineProblem.unfit("Its answer is incomplete."));
        }
    }

    private void end(RefineProblem problem) throws IOException {
        ObjectNode line = JSON.createObjectNode().put("done", false);
        line.set("problem", ServiceDoor.read(problem.body().getBytes(StandardCharsets.UTF_8)));
        write((line + "\n").getBytes(StandardCharsets.UTF_8));
    }
}
