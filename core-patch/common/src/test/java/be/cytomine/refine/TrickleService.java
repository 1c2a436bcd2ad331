package be.cytomine.refine;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A service on a real socket that says what a test tells it to, when the test tells it. */
class TrickleService implements AutoCloseable {

    private final ServerSocket socket;
    private final BlockingQueue<Call> calls = new LinkedBlockingQueue<>();

    /** A request that came, and its answer as it goes on. */
    static class Call {

        final String head;
        final CountDownLatch gone = new CountDownLatch(1);
        private final Socket connection;
        private final OutputStream out;

        Call(Socket connection) throws IOException {
            this.connection = connection;
            this.out = connection.getOutputStream();
            this.head = read(connection.getInputStream());
        }

        /** Reads a request with its body. */
        private static String read(InputStream in) throws IOException {
            StringBuilder head = new StringBuilder();
            while (head.indexOf("\r\n\r\n") < 0) {
                head.append((char) in.read());
            }
            String length = head.toString().replaceAll("(?is).*content-length: (\\d+).*", "$1");
            return head + new String(in.readNBytes(Integer.parseInt(length)), StandardCharsets.UTF_8);
        }

        void begin() throws IOException {
            send("HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
                    + "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
            Thread listener = new Thread(this::listen);
            listener.setDaemon(true);
            listener.start();
        }

        /** Whoever asks sends nothing more: what comes is the end of the connection. */
        private void listen() {
            try {
                while (connection.getInputStream().read() >= 0) {
                    // not the end yet
                }
            } catch (IOException reset) {
                // an end as well
            }
            gone.countDown();
        }

        void say(String text) throws IOException {
            send(Integer.toHexString(text.getBytes(StandardCharsets.UTF_8).length) + "\r\n" + text + "\r\n");
        }

        void end() throws IOException {
            send("0\r\n\r\n");
            connection.close();
        }

        void breakOff() throws IOException {
            connection.close();
        }

        private void send(String text) throws IOException {
            out.write(text.getBytes(StandardCharsets.UTF_8));
            out.flush();
        }
    }

    TrickleService() {
        try {
            socket = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        } catch (IOException impossible) {
            throw new IllegalStateException(impossible);
        }
        Thread acceptor = new Thread(this::accept);
        acceptor.setDaemon(true);
        acceptor.start();
    }

    private void accept() {
        try {
            while (true) {
                calls.add(new Call(socket.accept()));
            }
        } catch (IOException closed) {
            // the end of the tests
        }
    }

    String url() {
        return "http://127.0.0.1:" + socket.getLocalPort() + "/sam";
    }

    /** Waits for the next request. */
    Call call() throws InterruptedException {
        Call next = calls.poll(2, TimeUnit.MINUTES);
        if (next == null) {
            throw new AssertionError("No request came.");
        }
        return next;
    }

    boolean isAsked() {
        return !calls.isEmpty();
    }

    @Override
    public void close() throws IOException {
        socket.close();
    }
}
