<?php
// A small ledger, as an ERP has one: reads on this site's database, or on the other's while that does not answer;
// writes on the one that is written to.
declare(strict_types=1);

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function database(string $where): mysqli
{
    $link = mysqli_init();
    $link->options(MYSQLI_OPT_CONNECT_TIMEOUT, 3);
    // Inside TLS, with a server that the authority knows by this address.
    $link->ssl_set(null, null, getenv('DATABASE_AUTHORITY'), null, null);
    $link->real_connect(
        getenv($where), getenv('DATABASE_USER'), getenv('DATABASE_PASSWORD'), getenv('DATABASE_NAME'),
        flags: MYSQLI_CLIENT_SSL
    );
    return $link;
}

function answer(int $status, string $type, string $body): never
{
    http_response_code($status);
    header("Content-Type: $type; charset=utf-8");
    header('Cache-Control: no-store');
    exit($body);
}

function entries(): array
{
    try {
        return read(database('READ_FROM'));
    } catch (mysqli_sql_exception $error) {
        error_log($error->getMessage());
        return read(database('READ_ELSE_FROM'));
    }
}

function read(mysqli $link): array
{
    if ($link->query("SHOW TABLES LIKE 'entries'")->num_rows === 0) {
        return [];
    }
    return $link->query('SELECT label, amount, taken_by, written_on FROM entries ORDER BY id DESC LIMIT 100')
        ->fetch_all(MYSQLI_ASSOC);
}

function write(string $label, string $amount): void
{
    $link = database('WRITE_TO');
    $link->query(
        'CREATE TABLE IF NOT EXISTS entries (id BIGINT AUTO_INCREMENT PRIMARY KEY, label VARCHAR(200) NOT NULL,
         amount DECIMAL(12, 2) NOT NULL, taken_by VARCHAR(64) NOT NULL, written_on VARCHAR(64) NOT NULL)'
    );
    $link->execute_query(
        'INSERT INTO entries (label, amount, taken_by, written_on) VALUES (?, ?, ?, @@hostname)',
        [$label, $amount, gethostname()]
    );
}

$path = parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH);
try {
    if ($path === '/health') {
        // What the balancer probes: this site works when its database answers.
        database('READ_FROM')->query('SELECT 1');
        answer(200, 'text/plain', "ready\n");
    }
    if (($_SERVER['HTTPS'] ?? '') !== 'on') {
        header('Location: https://' . $_SERVER['HTTP_HOST'] . $_SERVER['REQUEST_URI']);
        answer(301, 'text/plain', "over HTTPS only\n");
    }
    if ($path === '/entries' && $_SERVER['REQUEST_METHOD'] === 'POST') {
        if (!isset($_POST['label'], $_POST['amount']) || !is_numeric($_POST['amount'])) {
            answer(400, 'text/plain', "label and amount are needed\n");
        }
        write(substr($_POST['label'], 0, 200), $_POST['amount']);
        answer(201, 'text/plain', "written\n");
    }
    if ($path === '/entries') {
        answer(200, 'application/json', json_encode(entries()));
    }
    $rows = '';
    foreach (entries() as $entry) {
        $rows .= '<tr><td>' . htmlspecialchars($entry['label']) . '<td>' . htmlspecialchars($entry['amount']);
    }
    answer(200, 'text/html', "<!doctype html><title>Ledger</title><h1>Ledger</h1>
<form method=post action=/entries><input name=label required><input name=amount required><button>Enter</button></form>
<table>$rows</table>\n");
} catch (mysqli_sql_exception $error) {
    error_log($error->getMessage());
    answer(503, 'text/plain', "the database does not answer; try again in a moment\n");
}
