package org.opensearch.plugins;

import java.security.AccessController;
import java.security.PrivilegedAction;
import java.util.List;

/** The engine asks for this class when it loads a plugin: a class is the server's, or one of the extended plugins'. */
public final class ExtendedPluginsClassLoader extends ClassLoader {
    private final List<ClassLoader> extended;

    private ExtendedPluginsClassLoader(ClassLoader server, List<ClassLoader> extended) {
        super(server);
        this.extended = List.copyOf(extended);
    }

    public static ExtendedPluginsClassLoader create(ClassLoader server, List<ClassLoader> extended) {
        PrivilegedAction<ExtendedPluginsClassLoader> make = () -> new ExtendedPluginsClassLoader(server, extended);
        return AccessController.doPrivileged(make);
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
        for (ClassLoader plugin : extended) {
            try {
                return plugin.loadClass(name);
            } catch (ClassNotFoundException elsewhere) {
                continue;
            }
        }
        throw new ClassNotFoundException(name);
    }
}
