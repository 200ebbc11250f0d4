<?php
// What the smartphone application asks for: vehicles are reserved in the database, their photos are files of all servers.
// No work of Keyzee's: enough to see every tier at work.
header('Content-Type: text/plain');
$path = explode('/', trim(parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH), '/'));
$writes = $_SERVER['REQUEST_METHOD'] === 'POST';

function answer(int $status, string $text): never
{
    http_response_code($status);
    exit("$text\n");
}

function database(): mysqli
{
    mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
    [$host, $name, $user, $password] = array_map(
        'getenv', ['DATABASE_HOST', 'DATABASE_NAME', 'DATABASE_USER', 'DATABASE_PASSWORD']
    );
    // Inside TLS, with a server that the authority knows by this address.
    $link = mysqli_init();
    $link->ssl_set(null, null, getenv('DATABASE_AUTHORITY'), null, null);
    $link->real_connect($host, $user, $password, $name, flags: MYSQLI_CLIENT_SSL);
    return $link;
}

try {
    if ($path[0] === 'reservations') {
        $database = database();
        if ($writes) {
            $database->query(
                'CREATE TABLE IF NOT EXISTS reservations (id BIGINT AUTO_INCREMENT PRIMARY KEY, vehicle VARCHAR(64) NOT NULL)'
            );
            $vehicle = substr(file_get_contents('php://input'), 0, 64);
            $database->execute_query('INSERT INTO reservations (vehicle) VALUES (?)', [$vehicle]);
            answer(201, "reserved $vehicle");
        }
        foreach ($database->query('SELECT vehicle FROM reservations ORDER BY id') as $row) {
            echo $row['vehicle'], "\n";
        }
    } elseif ($path[0] === 'photos' && preg_match('/^[a-z0-9-]{1,64}$/', $path[1] ?? '')) {
        $file = getenv('FILES') . "/$path[1].jpg";
        if ($writes) {
            // Whole or not at all, also for whoever reads it now.
            file_put_contents("$file.new", fopen('php://input', 'r')) !== false && rename("$file.new", $file)
                || answer(503, 'the files cannot be written');
            answer(201, "kept $path[1]");
        }
        is_file($file) || answer(404, 'no such photo');
        header('Content-Type: image/jpeg');
        readfile($file);
    } else {
        echo "Keyzee, for ", $_SERVER['REMOTE_ADDR'], "\n";
    }
} catch (mysqli_sql_exception $error) {
    error_log($error->getMessage());
    answer(503, 'the database does not answer, or takes no changes');
}
