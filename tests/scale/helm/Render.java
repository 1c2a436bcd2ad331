import com.marcnuri.helm.Helm;
import java.nio.file.Path;

/** Lints a chart strictly, then prints what Helm makes of it. */
class Render {
    public static void main(String[] given) {
        var chart = new Helm(Path.of(given[0]));
        var lint = chart.lint().strict().call();
        if (lint.isFailed()) {
            lint.getMessages().forEach(System.err::println);
            System.exit(1);
        }
        System.out.println(chart.template().withName("refine").call());
    }
}
