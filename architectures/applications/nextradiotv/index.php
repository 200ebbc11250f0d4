<?php
// The site in small: pages from the database, kept in blocks by Memcached, by whichever PHP server is asked.
declare(strict_types=1);
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

// While the database's address moves, connecting is tried thrice: TCP by itself would wait longer each time.
function database(): mysqli {
    static $connection = null;
    for ($attempt = 1; !$connection; $attempt++) {
        try {
            $fresh = mysqli_init();
            $fresh->options(MYSQLI_OPT_CONNECT_TIMEOUT, 1);
            // Inside TLS, with a server that the authority knows by this address.
            $fresh->ssl_set(null, null, getenv('DATABASE_AUTHORITY'), null, null);
            $fresh->real_connect(
                getenv('DATABASE_HOST'), getenv('DATABASE_USER'), getenv('DATABASE_PASSWORD'), getenv('DATABASE_NAME'),
                flags: MYSQLI_CLIENT_SSL,
            );
            $connection = $fresh;
        } catch (mysqli_sql_exception $error) {
            if ($attempt === 3) {
                throw $error;
            }
        }
    }
    return $connection;
}

// Asks the database; the first question ever makes the table. Never on every request: a cluster stops for each DDL.
function ask(string $sql, array $values = []): mysqli_result|bool {
    try {
        return database()->execute_query($sql, $values);
    } catch (mysqli_sql_exception $error) {
        if ($error->getCode() !== 1146) {
            throw $error;
        }
        database()->query(
            'CREATE TABLE IF NOT EXISTS article (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, title TEXT, text TEXT)',
        );
        return database()->execute_query($sql, $values);
    }
}

// Galera refuses what another member's transaction overtook (1213); it is tried again.
function write(string $sql, array $values): int {
    for ($attempt = 1; ; $attempt++) {
        try {
            ask($sql, $values);
            return (int) database()->insert_id;
        } catch (mysqli_sql_exception $error) {
            if ($error->getCode() !== 1213 || $attempt === 5) {
                throw $error;
            }
        }
    }
}

// Kept by each PHP process, which so remembers who is lost, leaves it out, and tries it again after 5 s.
function caches(): Memcached {
    $caches = new Memcached('blocks');
    if (!$caches->getServerList()) {
        $caches->setOptions([
            Memcached::OPT_LIBKETAMA_COMPATIBLE => true,
            Memcached::OPT_CONNECT_TIMEOUT => 100,
            Memcached::OPT_POLL_TIMEOUT => 200,
            Memcached::OPT_REMOVE_FAILED_SERVERS => true,
            Memcached::OPT_SERVER_FAILURE_LIMIT => 1,
            Memcached::OPT_RETRY_TIMEOUT => 5,
            Memcached::OPT_DEAD_TIMEOUT => 5,
        ]);
        $caches->addServers(array_map(fn(string $server) => [$server, 11211], explode(' ', getenv('MEMCACHED'))));
    }
    return $caches;
}

// A block of HTML, from Memcached if one of its servers has it.
function block(string $key, callable $make): string {
    $caches = caches();
    $kept = $caches->get($key);
    header('X-Block: ' . ($kept === false ? 'made' : 'kept'), false);
    if ($kept === false) {
        $answered = $caches->getResultCode() === Memcached::RES_NOTFOUND;
        $kept = $make();
        // One that hangs is waited for once.
        $answered && $caches->set($key, $kept, 30);
    }
    return $kept;
}

function article(int $id): string {
    $found = ask('SELECT title, text FROM article WHERE id = ?', [$id])->fetch_assoc();
    if (!$found) {
        http_response_code(404);
        return '<h1>404</h1>';
    }
    return sprintf('<h1>%s</h1><p>%s</p>', htmlspecialchars($found['title']), htmlspecialchars($found['text']));
}

function newest(): string {
    $items = ask('SELECT id, title FROM article ORDER BY id DESC LIMIT 20')->fetch_all(MYSQLI_ASSOC);
    $line = fn(array $one) => sprintf('<li><a href="/article/%d">%s</a>', $one['id'], htmlspecialchars($one['title']));
    return '<ul>' . implode("\n", array_map($line, $items)) . '</ul>';
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
header('X-Php: ' . gethostname());
if (getenv('ROLE') === 'office') {
    header('Cache-Control: no-store');
    if ($_SERVER['REQUEST_METHOD'] === 'POST') {
        header('Content-Type: application/json');
        $article = [(string) ($_POST['title'] ?? ''), (string) ($_POST['text'] ?? '')];
        echo json_encode(['id' => write('INSERT INTO article (title, text) VALUES (?, ?)', $article)]);
        return;
    }
    echo '<form method="post"><input name="title"><textarea name="text"></textarea><button>Publish</button></form>', newest();
    return;
}
header('Content-Type: text/html; charset=utf-8');
echo preg_match('#^/article/(\d+)$#', $path, $id)
    ? block("article:$id[1]", fn() => article((int) $id[1]))
    : block('newest', newest(...));
