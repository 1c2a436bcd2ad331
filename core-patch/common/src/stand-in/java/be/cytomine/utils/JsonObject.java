package be.cytomine.utils;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.HashMap;

/** Stands for Core's JSON object, with the constructors that are used. */
public class JsonObject extends HashMap<String, Object> {

    public static JsonObject of(String key, Object value) {
        JsonObject made = new JsonObject();
        made.put(key, value);
        return made;
    }

    public static JsonObject of(String key, Object value, String key2, Object value2) {
        JsonObject made = of(key, value);
        made.put(key2, value2);
        return made;
    }

    public static JsonObject of(
            String key, Object value, String key2, Object value2, String key3, Object value3, String key4, Object value4) {
        JsonObject made = of(key, value, key2, value2);
        made.putAll(of(key3, value3, key4, value4));
        return made;
    }

    public String toJsonString() {
        try {
            return new ObjectMapper().writeValueAsString(this);
        } catch (JsonProcessingException unwritable) {
            throw new IllegalStateException(unwritable);
        }
    }
}
