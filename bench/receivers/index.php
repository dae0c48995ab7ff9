<?php
file_get_contents('php://input');
echo 'ok';
