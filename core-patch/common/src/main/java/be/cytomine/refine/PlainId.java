package be.cytomine.refine;

import java.util.regex.Pattern;

/** Ids as Core writes them. Spring reads more spellings ({@code 0x1}, {@code +1}, other scripts' digits): none passes. */
final class PlainId {

    private static final Pattern FORM = Pattern.compile("[1-9][0-9]{0,18}");

    private PlainId() {}

    /** Tells whether a text is an id: a decimal number from 1 to 2^63 - 1, written in the one way. */
    static boolean is(String text) {
        return FORM.matcher(text).matches() && (text.length() < 19 || text.compareTo(String.valueOf(Long.MAX_VALUE)) <= 0);
    }

    /**
     * Reads an id.
     *
     * @param whose what it is the id of, as callers call it
     * @throws RefineProblem the text is none (400)
     */
    static long of(String whose, String text) {
        if (!is(text)) {
            throw RefineProblem.invalid("The " + whose + "'s id must be a positive decimal number.");
        }
        return Long.parseLong(text);
    }
}
