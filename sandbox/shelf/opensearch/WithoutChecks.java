import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

/**
 * A node that starts where its own program refuses to: on a computer that grants no process 65535 open files. It is
 * the same node, without the checks that come before it and without a security manager.
 */
public final class WithoutChecks {
    public static void main(String[] arguments) throws Exception {
        Settings home = Settings.builder().put("path.home", System.getProperty("opensearch.path.home")).build();
        Path configuration = Path.of(System.getProperty("opensearch.path.conf"));
        Environment environment =
            InternalSettingsPreparer.prepareEnvironment(home, Map.of(), configuration, () -> null);
        LogConfigurator.configure(environment);
        Node node = new Node(environment);
        CountDownLatch ended = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (Exception error) {
                error.printStackTrace();
            }
            ended.countDown();
        }));
        node.start();
        ended.await();
    }
}
